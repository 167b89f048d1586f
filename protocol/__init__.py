"""The wire contract as data, owned by neither the gateway nor the simulators."""
