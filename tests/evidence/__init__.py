"""Evidence of the defence: measures each claim on the running pipeline (`make evidence`)."""
