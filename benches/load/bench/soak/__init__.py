"""The parts of `soak`: `server` is under test, `visitors`, `residents`, `backend`, `refused` and
`receiver` are its load, `client`, `http`, `signing` and `secretbox` the tools, `memory` and `report` the
results. Nothing but Python's own library."""
