"""Every setting of the gateway, in one place.

A setting is read from the environment (`CONNECT_…`) or, where it is not there, from the TOML file that
`CONNECT_CONFIG` names. Secrets have no default: they come from the environment or from files.
"""

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from connect_gateway.domain.manifests import Limits
from connect_gateway.domain.money import parse_amount

DEFAULT_PORT = 8711


def _default_data_dir() -> Path:
    home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(home) / "connect-gateway"


class Settings(BaseSettings):
    """What the program needs to know of its surroundings; the README's table is made from these fields."""

    model_config = SettingsConfigDict(env_prefix="CONNECT_", extra="forbid", frozen=True)

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(DEFAULT_PORT, description="Port to listen on.")
    data_dir: Path = Field(
        default_factory=_default_data_dir,
        description="Where the embedded PostgreSQL and the generated keys are kept between runs.",
    )
    database_url: SecretStr | None = Field(
        None, description="Any PostgreSQL 15+; without it the program starts its own in the data directory."
    )
    database_pool_size: Annotated[int, Field(ge=4, le=200)] = Field(
        12, description="Most connections that one process opens to the database."
    )
    keys_file: Path | None = Field(
        None,
        description="JSON file of keys (see `connect-gateway keys`). Generated in the data directory where the "
        "database is the embedded one; needed where it is not.",
    )
    ecms_url: str = Field("http://127.0.0.1:8086", description="Base address of ECMS.")
    ecms_client_id: str = Field("connect-gateway", description="The gateway's client id at ECMS.")
    ecms_client_secret: SecretStr | None = Field(None, description="The gateway's client secret at ECMS.")
    ecms_timeout_ms: Annotated[int, Field(ge=100, le=60_000)] = Field(
        5_000, description="Time-out of one attempt to reach ECMS."
    )
    relay_concurrency: Annotated[int, Field(ge=1, le=1_000)] = Field(
        512, description="Most events under way to ECMS at once."
    )
    stand_in_max_age_s: Annotated[int, Field(ge=60, le=604_800)] = Field(
        14_400, description="Stand-in sales: how old the manifest may be by which a till sells while it is away."
    )
    stand_in_max_amount: Annotated[str, Field(pattern=r"^[0-9]{1,10}\.[0-9]{2}$")] = Field(
        "4000.00", description="Stand-in sales: the most that one sale may take, in PHP."
    )
    stand_in_max_total: Annotated[str, Field(pattern=r"^[0-9]{1,10}\.[0-9]{2}$")] = Field(
        "20000.00", description="Stand-in sales: the most that a terminal's sales may take before it is in touch again."
    )
    stand_in_max_count: Annotated[int, Field(ge=0, le=10_000)] = Field(
        20, description="Stand-in sales: how many a terminal may make before it is in touch again; 0: none."
    )
    shutdown_grace_ms: Annotated[int, Field(ge=0, le=120_000)] = Field(
        10_000, description="How long a stopping gateway lets requests under way finish."
    )
    mobile_days: Annotated[int, Field(ge=1, le=3_650)] = Field(
        90, description="For how many days a customer's mobile number is kept."
    )
    log_level: str = Field("INFO", description="Least level that is logged: DEBUG, INFO, WARNING or ERROR.")
    sandbox: bool = Field(False, description="Development alone: the clock can be set through PUT /sandbox/v1/clock.")

    def stand_in_limits(self) -> Limits:
        """How far a till may go by itself."""
        return Limits(
            max_age_s=self.stand_in_max_age_s,
            max_amount=parse_amount(self.stand_in_max_amount),
            max_total=parse_amount(self.stand_in_max_total),
            max_count=self.stand_in_max_count,
        )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file; there are no other sources."""
        file = os.environ.get("CONNECT_CONFIG")
        sources = [init_settings, env_settings]
        if file:
            sources.append(TomlConfigSettingsSource(settings_cls, Path(file)))
        return tuple(sources)
