"""Drop-ins: modules with the names and the behaviour of others, on Pinyon's native structures."""
