"""Relational features: a declarative catalog, nested tiers, and one lazy plan to build them."""
