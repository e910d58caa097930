"""What a model is worth to the operator and to the customer: profit of a list, reasons that hold, whom offers reach."""
