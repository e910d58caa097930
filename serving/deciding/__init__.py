"""From what is known of somebody to an answer: scores, reasons, actions, words. No HTTP and no store."""
