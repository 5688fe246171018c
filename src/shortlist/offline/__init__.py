"""The offline training loop: from the log to a dataset, a compared ladder of models, and a release."""
