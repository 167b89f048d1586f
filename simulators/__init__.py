"""The counter's partners, simulated: POS, kiosk and ECMS. They speak the wire and import nothing of the gateway."""
