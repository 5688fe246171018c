"""Capacity planning: from what one request, record, user and item cost to machines.

A room of its own, above `load`: it reads load reports, and the generator need not know that anybody does.
All of it is arithmetic, and every figure it starts from says where it was measured, or that it is assumed.
"""
