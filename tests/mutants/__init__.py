"""Gateways with one defect each, which the conformance scenarios have to find."""
