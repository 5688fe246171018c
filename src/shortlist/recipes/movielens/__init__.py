"""Movies to watch next, on MovieLens-1M: ratings, without impressions."""
