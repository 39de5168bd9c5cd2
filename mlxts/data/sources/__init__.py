"""Where data come from: one file a source, all behind one Protocol."""
