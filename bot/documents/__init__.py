"""Pages that stand alone: no script, nothing loaded from elsewhere, light and dark, on a phone and on paper."""
