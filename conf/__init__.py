"""Settings, source mappings and table declarations; the lowest room, imports none of the others."""
