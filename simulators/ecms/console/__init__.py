"""The console of the ECMS simulator: parcels, their timelines and faults in the browser."""
