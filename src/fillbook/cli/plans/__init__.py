"""The commands of plans and exits (other half: `desk.plans`)."""
