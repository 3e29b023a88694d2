"""Code that several families of backends share: addresses, TLS, time limits, polling."""
