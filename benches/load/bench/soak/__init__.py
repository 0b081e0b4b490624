"""What `soak` is made of: `server` is what is watched, `visitors`, `residents`, `backend`, `refused` and
`receiver` are what is done to it, `client`, `http`, `signing` and `secretbox` how, `memory` and `report`
what comes of it. Nothing but Python's own library."""
