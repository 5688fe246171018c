"""The load generator: a client that asks on a schedule, whatever the server does, and says what came back.

It knows HTTP and the routes, and nothing of what is behind them.
"""
