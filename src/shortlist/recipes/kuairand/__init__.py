"""A short-video feed, on KuaiRand-Pure: two weeks of impressions of a real app."""
