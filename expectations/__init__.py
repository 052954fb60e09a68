"""Great Expectations suites as code and the checkpoint that runs them."""
