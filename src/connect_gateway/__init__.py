"""The 7-Connect adapter between a store's counter and ECMS."""
