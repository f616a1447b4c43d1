"""The web page of `pptsn stream`: live pictures, scores, events and health; JSON, and metrics for Prometheus.

    address    where it listens, as the user writes it        hub      messages on their way to the browsers
    server     the sink: a server in a thread of its own      history  what a page shows that is opened later
    security   who may ask, and what a browser may do         routes   what is where
    gate       who may connect, and how many                  guest    one connection
    guesses    slowing down who guesses the token             metrics  for Prometheus
    static     the page

Only `routes` imports Starlette, only `server` uvicorn, only `metrics` the Prometheus client; `server` reaches the
other two when a sink is opened.
"""
