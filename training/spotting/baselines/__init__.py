"""Published methods with which the causal spotter is compared, reimplemented from their papers."""
