"""Fogbank: an AWS-compatible cloud on one machine."""
