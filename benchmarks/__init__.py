"""Measurements behind the choices; none of them is a test."""
