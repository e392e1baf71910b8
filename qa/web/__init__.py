"""The service: JSON API and pages over an engine."""
