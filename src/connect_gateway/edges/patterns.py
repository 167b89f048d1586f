"""How texts look that have a form of their own, as patterns that both Python and ECMA-262 (so JSON Schema) read.

They are exact, calendar included, so that the OpenAPI document promises neither more nor less than the parsers take.
"""

_YEAR = "(?:19[7-9][0-9]|[2-8][0-9]{3}|9[0-8][0-9]{2}|99[0-8][0-9]|9990)"
_DAY = (
    "(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    "|02-(?:0[1-9]|1[0-9]|2[0-8]))"
)
_LEAP_YEAR = (
    "(?:19(?:7[26]|8[048]|9[26])|(?:[2-8][0-9]|9[0-8])(?:0[48]|[2468][048]|[13579][26])"
    "|99(?:0[48]|[2468][048]|[1357][26])|(?:[2468][048]|[357][26]|9[26])00)"
)
_DATE = f"(?:{_YEAR}-{_DAY}|{_LEAP_YEAR}-02-29)"
_TIME = "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"

DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
"""`YYYY-MM-DD`; its format, `date`, says the rest."""

ECMS_TIME = f"{_DATE} {_TIME}"
"""`YYYY-MM-DD HH:MM:SS` of the years 1970 to 9990."""

RFC3339_TIME = rf"{_DATE}T{_TIME}(?:\.[0-9]{{1,9}})?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
"""A time of RFC 3339 with its offset, of the same years."""

UUID = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
AMOUNT = r"[0-9]{1,10}\.[0-9]{2}"
COD_AMOUNT = (
    r"(?:0{1,10}\.(?:0[1-9]|[1-9][0-9])|(?:0{0,9}[1-9]|0{0,8}[1-9][0-9]|0{0,7}[1-9][0-9]{2}|0{0,6}[1-3][0-9]{3})"
    r"\.[0-9]{2}|0{0,6}4000\.00)"
)
"""An amount from 0.01 to 4000.00."""

NO_AMOUNT = r"0{1,10}\.00"
REFERENCE = "[ -]*(?:[0-9][ -]*){12}"
"""12 digits, with hyphens and spaces wherever they stand."""

TRACKING_OR_REFERENCE = "(?:[ -]*(?:[0-9][ -]*){12}|[ -]*(?:[0-9][ -]*){17,18})"
"""A tracking number or a reference, with hyphens and spaces wherever they stand."""

RECEIPT_NUMBER = "[0-9]{4}-[0-9]{3,4}-[0-9]{8,12}"
"""`SSSS-PPP-NNNNNNNN`: store, terminal and the terminal's own count, each with at least so many digits."""

STAND_IN_NUMBER = "[0-9]{4}-[0-9]{3,4}-S[0-9]{7,11}"
"""`SSSS-PPP-Snnnnnnn`: a receipt that a till has numbered by itself."""

NO_CONTROL = r"[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*"
"""Text without control characters and separators of lines and paragraphs."""
