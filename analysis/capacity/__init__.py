"""How much the target carries within its SLO: judged level by level, searched, fitted, drawn."""
