"""Vector indexes: which items lie best in the direction of a query."""
