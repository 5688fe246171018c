"""The models: one file a model, each with its definition, fit, predict, save and load."""
