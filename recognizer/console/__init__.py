"""What both commands share: how they end, what a terminal can show, where native libraries may write."""
