"""What an operator sees: recording and alerting rules, dashboards, and the drill that tries them out."""
