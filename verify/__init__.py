"""make verify: hold any server against the contract, as far as a visitor can see it."""
