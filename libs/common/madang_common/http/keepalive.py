"""Keep-alive timeouts of idle HTTP connections.

A request that is sent while the server closes the connection is lost, and the client cannot know
whether it was processed. So clients close first: services' clients after 30 s, the proxy in front
of the services after 60 s (`deploy/nginx`), servers after 75 s.
"""

CLIENT_KEEPALIVE_SECONDS = 30
SERVER_KEEPALIVE_SECONDS = 75
