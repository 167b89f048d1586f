"""What nobody expects, for as long as one likes: `python -m fuzz`, `make fuzz`.

Two campaigns take turns. `counter` plays tills, kiosks and ECMS against a real gateway process while the network, the
database, ECMS and the process itself fail, and holds every answer against a model of its own (`model`). `bytes` spoils
valid requests, and the stream in which they arrive, in whatever way comes to mind (`spoiling`), and holds every answer
against the OpenAPI document. `test_fuzz` plays a short part of both with every test run.
"""
