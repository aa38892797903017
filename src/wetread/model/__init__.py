"""A film in, 15 logits and their saliency maps out; and the bundle that is deployed."""
