"""Classes of whatever: what the tasks that tell them apart share."""
