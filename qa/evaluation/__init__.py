"""How well a reader, and the whole service, answer: data sets, measures, runs and the report."""
