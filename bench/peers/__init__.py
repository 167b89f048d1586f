"""What the gateway is measured against, each as small and as fair as it can be."""
