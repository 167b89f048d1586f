"""A row that somebody else holds for too long: nothing happens, and whoever asks is told to come again. Seconds."""

import asyncpg
import pytest
from world import World


@pytest.mark.parametrize("who", ["copies", "status"])
async def test_a_lock_that_is_not_had_in_time_is_no_error_of_the_gateways_own(world: World, who: str) -> None:
    parcel = await world.ecms.ship_to_store()
    sold = (await world.till.collect(parcel)).json
    holder = await asyncpg.connect(world.database_url)
    try:
        await holder.execute("BEGIN")
        await holder.execute("SELECT FROM transaction FOR UPDATE")
        await holder.execute("SELECT FROM reference FOR UPDATE")
        if who == "copies":
            reply = await world.till.call("POST", f"/pos/v1/receipts/{sold['receipt']['number']}/copies")
            assert reply.json["verdict"]["parcel"] == "HOLD"
        else:
            reply = await world.ecms.tell(parcel, "CANCELLED")
        assert (reply.status, reply.json["code"], reply.headers["Retry-After"]) == (503, "overloaded", "1")
    finally:
        await holder.close()
    again = await world.till.call("POST", f"/pos/v1/receipts/{sold['receipt']['number']}/copies")
    assert again.json["copy"] == 1
