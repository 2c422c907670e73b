/** The layout of `--help`. */
import { Help, type HelpConfiguration } from 'commander';

/**
 * The longest terms of a help get a line of their own, so that the explanations fit beside the others at 80 columns.
 */
export const narrowHelp: HelpConfiguration = {
  padWidth(command, helper) {
    return Math.min(termWidthMax, Help.prototype.padWidth.call(helper, command, helper));
  },
  formatItem(term, termWidth, description, helper) {
    const isLong = helper.displayWidth(term) > termWidth && description !== '';
    const item = Help.prototype.formatItem.call(helper, isLong ? '' : term, termWidth, description, helper);
    return isLong ? `  ${term}\n${item}` : item;
  },
};

const termWidthMax = 28;
