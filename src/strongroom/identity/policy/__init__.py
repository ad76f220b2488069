"""ACL policy: texts to rules, rules to decisions, and the three questions about them."""
