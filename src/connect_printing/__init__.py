"""Lines and barcodes on paper: text, PNG, PDF and ESC/POS, of 32 columns. It knows nothing of gateways and tills."""
