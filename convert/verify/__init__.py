"""How closely models agree, and whether that is enough."""
