"""What the sub-commands share: settings out of options and environment, and a database to go with them."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import SecretStr, ValidationError

from connect_gateway.embedded import embedded_database, ensure_keys_file
from connect_gateway.processes import StartError
from connect_gateway.settings import Settings

DataDir = Annotated[Path | None, typer.Option(help="Where the embedded PostgreSQL and the keys are kept.")]


def read_settings(**options: Any) -> Settings:
    """The settings of the environment and the file, overridden by the options that were given.

    Raises StartError that names what is wrong and shows no value, since it might be a secret.
    """
    try:
        return Settings(**{name: value for name, value in options.items() if value is not None})
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_input=False)]
        raise StartError("the settings are wrong:\n  " + "\n  ".join(wrong)) from None
    except (OSError, ValueError) as error:
        raise StartError(f"the file that CONNECT_CONFIG names cannot be read: {error}") from None


@contextlib.contextmanager
def complete_settings(settings: Settings) -> Iterator[Settings]:
    """The settings with a database: where none is named, our own and its keys, while the block runs."""
    if settings.database_url is not None:
        yield settings
        return
    keys_file = settings.keys_file or settings.data_dir / "keys.json"
    with embedded_database(settings.data_dir / "postgres") as url:
        ensure_keys_file(keys_file)
        yield settings.model_copy(update={"database_url": SecretStr(url), "keys_file": keys_file})
