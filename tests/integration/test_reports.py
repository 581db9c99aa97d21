"""What is told twice, late, or about nothing known changes nothing."""
