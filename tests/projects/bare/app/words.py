"""What the page says."""

PAGE = "The bare page"
