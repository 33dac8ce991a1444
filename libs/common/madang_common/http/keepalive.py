"""How long a connection without a request is kept.

A client that sends on a connection which the server is just closing loses its request, and cannot
know whether it was served. So the client closes first, by far: a client after 30 s, the proxy in
front of the services after 60 s (`deploy/nginx`), a server after 75 s.
"""

CLIENT_KEEPALIVE_SECONDS = 30
SERVER_KEEPALIVE_SECONDS = 75
