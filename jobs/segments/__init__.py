"""Stage ``segments``: reads published scores; leaves files for marketers in the outbox."""
