"""Every operation, edge by edge.

The codes of a refusal are listed with the operations alone; their statuses and the schemas of requests come from the
edges' own code.
"""

from connect_gateway.openapi_counter import COUNTER
from connect_gateway.openapi_ecms import ECMS
from connect_gateway.openapi_kiosk import KIOSK
from connect_gateway.openapi_operating import OPERATING
from connect_gateway.openapi_operation import Operation

OPERATIONS: tuple[Operation, ...] = (*COUNTER, *KIOSK, *ECMS, *OPERATING)
"""All but the token endpoint, which has its own form of nearly everything, and the sandbox's clock, which is no part
of the protocol."""
