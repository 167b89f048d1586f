"""The references that the gateway issues: a buyer claims a parcel by one, a seller drops it off by another."""

from .database import Database
from .gateway import Gateway
from .parcels import Parcel, find_parcel, keep_codes


async def make_sure_of_codes(database: Database, gateway: Gateway, parcel: Parcel) -> Parcel:
    """The parcel with all its codes; asked for again, the gateway gives the same.

    `GatewayAway` where there is none to be had now, `Refusal` 502 where the gateway will not have the parcel.
    """
    if parcel.is_return:
        return parcel
    number = parcel.tracking_number
    if parcel.is_drop_off and parcel.return_code is None:
        return_code = await gateway.issue_drop_off_code(parcel)
        await database.run(lambda connection: keep_codes(connection, number, return_code=return_code))
    if parcel.store_id is not None and parcel.claim_code is None:
        claim_code = await gateway.issue_reference(parcel)
        await database.run(lambda connection: keep_codes(connection, number, claim_code=claim_code))
    return await database.run(lambda connection: find_parcel(connection, number)) or parcel
