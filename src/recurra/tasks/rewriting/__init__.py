"""What tasks share that turn one text into another: tokens of both sides, learning, answering."""
